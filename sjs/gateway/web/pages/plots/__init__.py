"""Pictures of what came out of a sweep, as shapes: values in, places out. Pure; templates draw them."""
