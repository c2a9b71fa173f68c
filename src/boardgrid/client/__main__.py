"""``python -m boardgrid.client``: the command line where its script is not on the path."""

from boardgrid.client.main import main

main()
