"""`python -m bayesrtw`: the command line where the script is not on the path."""

from bayesrtw.cli.process import start

if __name__ == "__main__":
    start()
