"""`python -m arcface_plus` (and `torchrun -m arcface_plus`) is the command line."""

from arcface_plus.cli import main

if __name__ == "__main__":
    main()
