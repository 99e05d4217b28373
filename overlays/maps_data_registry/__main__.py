"""`python -m maps_data_registry` is the command `maps-data-registry`."""

import sys

from maps_data_registry.cli import main

sys.exit(main())
