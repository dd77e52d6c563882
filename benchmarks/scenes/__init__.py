"""Generated scenes with exact truth: who goes where is decided first, and what crosses which line follows from it by geometry.

``ways`` are ways over the ground and where they pass lines; ``world`` is a scene; ``kinds`` makes scenes of several kinds from a
seed; ``noise`` is what a detector would say of one; ``picture`` draws one.
"""
