"""Making the jobs of a sweep: templates, parameters, tables. Nothing here asks a machine; values in, values out."""
