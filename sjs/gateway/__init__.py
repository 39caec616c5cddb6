"""The gateway: the fleet over HTTP. It runs nothing itself: jobs go to targets by `sjs.api`."""
