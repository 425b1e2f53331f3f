"""`python -m ocpp_inspect` in, the command out: for where the folder of scripts is not on the path."""

from __future__ import annotations

from ocpp_inspect.cli.main import main

if __name__ == "__main__":
    main()
