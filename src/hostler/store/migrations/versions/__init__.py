"""One file a change of the schema, in order; made by `hostler dev new-migration`, then read and corrected by hand."""
