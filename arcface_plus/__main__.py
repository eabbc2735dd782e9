"""`python -m arcface_plus` (and `torchrun -m arcface_plus`) is the command line."""

from arcface_plus.signals import stop_at_sigterm


def main() -> None:
    stop_at_sigterm()  # before the imports: they take long enough for a signal to come
    from arcface_plus.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
