"""Serves one file as the usual FastAPI answer. Usage: fastapi_server.py FILE PORT"""

import sys

import uvicorn
from fastapi import FastAPI
from fastapi.responses import FileResponse

path, port = sys.argv[1], int(sys.argv[2])
app = FastAPI()


@app.get("/slice")
def download() -> FileResponse:
    return FileResponse(path, media_type="application/octet-stream")


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
