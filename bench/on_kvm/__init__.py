"""What the figures of real guests need: the service's engine in this process, with this machine as its host."""
