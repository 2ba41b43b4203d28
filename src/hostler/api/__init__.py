"""REST and live events: mounts every operation, answers reads, guards both."""
