"""An action as text: Python, shell, curl, and the VMM cmdlet it is equal to."""
