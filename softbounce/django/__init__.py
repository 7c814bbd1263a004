"""Django's mail through softbounce: ``EMAIL_BACKEND = "softbounce.django.EmailBackend"`` (docs/django.md).

Imports Django, which softbounce itself does not need: ``pip install 'softbounce[django]'``.
"""

from softbounce.django.backend import EmailBackend

__all__ = ["EmailBackend"]
