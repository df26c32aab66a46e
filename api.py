"""The ASGI entry point: `uvicorn api:app` serves the market of SCIDEX_DATABASE_URL."""

from scidex.exchange import compute_auction
from scidex.store import default_database
from scidex.web.app import create_app

compute_auction.ensure_schema(db=default_database())
app = create_app(default_database())
