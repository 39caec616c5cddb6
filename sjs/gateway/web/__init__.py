"""HTTP: requests in, answers out. What can be asked is in `sjs.gateway.desk`."""
