"""Lets these tests import the `bench` package of the checkout and the oracle beside the other tests."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]
