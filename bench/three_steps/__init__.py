"""The noun of the operation that the job engine is measured with: three steps that do nothing."""
