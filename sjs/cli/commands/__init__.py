"""The verbs: a file for each, or for a few of a kind. `sjs.cli.verbs` is the list of them."""
