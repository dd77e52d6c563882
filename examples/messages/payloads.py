"""Message functions; named in several.yaml, or given to ``countline.run("several.yaml", messages=[payload])``."""

import countline as cl


@cl.message(on="crossing", key=lambda e: e.source.device_id)
def payload(event: cl.Crossing, analytics: cl.Analytics) -> dict:
    line = analytics.lines[event.rule]
    balance = {name: count.cumulative for name, count in line.directions.items()}
    return {"who": event.track_id, "to": event.direction, "at": event.time, "balance": balance}
