"""Threads, queues, life cycle, back-pressure: the only room that knows them."""
