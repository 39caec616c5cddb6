"""What shells and man are told of the command line."""
