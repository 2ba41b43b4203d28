"""`python -m hostler.service`: the console script, where it is not in the path."""

from hostler.service.entry import main

if __name__ == "__main__":
    main()
