"""Every table, a file per domain room."""
