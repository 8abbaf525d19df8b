"""The review database of django-dicom-review (SQLite, PostgreSQL, MySQL), its tables reflected at start."""

from dicom_assets.adapters.review_db.answers import ApprovalPage, ReviewPosition
from dicom_assets.adapters.review_db.database import ReviewDatabase
from dicom_assets.adapters.review_db.rules import Standing

__all__ = ["ApprovalPage", "ReviewDatabase", "ReviewPosition", "Standing"]
