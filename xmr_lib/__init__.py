"""xmr_lib: the tested library behind the course on cross-modal image-text retrieval.

The rooms, left to right (a room imports only rooms to its left):
``data -> encoders -> methods -> metrics -> evaluation -> plots, notebook, cli``.
"""

__version__ = "0.1.0"
