"""The review database of django-dicom-review (SQLite, PostgreSQL, MySQL), its tables reflected at start."""

from dicom_assets.adapters.review_db.answers import ApprovalPage, ReviewPosition
from dicom_assets.adapters.review_db.database import ReviewDatabase
from dicom_assets.adapters.review_db.rules import Standing
from dicom_assets.adapters.review_db.withdrawn import Objection

__all__ = ["ApprovalPage", "Objection", "ReviewDatabase", "ReviewPosition", "Standing"]
