"""Writers of generated Python: the SDK's methods and the CLI's table. Pure: words in, text out."""
