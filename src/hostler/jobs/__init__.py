"""The engine: operations, the journal, locks, the worker."""
