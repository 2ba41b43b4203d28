"""Virtual machines: what they are, their states, what each state allows."""
