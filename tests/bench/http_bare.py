"""What the gateway's API is measured against: FastAPI with nothing behind it. `http_bare.py SOCKET`."""

from __future__ import annotations

import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.get("/jobs/{number}")
async def get(number: int) -> dict[str, int]:
    return {"id": number}


if __name__ == "__main__":
    uvicorn.run(app, fd=int(sys.argv[1]), log_config=None, access_log=False, lifespan="off")
