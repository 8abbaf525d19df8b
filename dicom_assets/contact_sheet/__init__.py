"""A contact sheet of a study: small pictures of a few instances of each series, made from de-identified files alone.

Nothing here knows an original. NumPy and Pillow are imported when a sheet is drawn, and not before.
"""

from dicom_assets.contact_sheet.order import SeriesOrder, SheetOrder
from dicom_assets.contact_sheet.sheet import Sheet, SheetTooLargeError, draw_sheet
from dicom_assets.contact_sheet.tiles import Word

__all__ = ["SeriesOrder", "Sheet", "SheetOrder", "SheetTooLargeError", "Word", "draw_sheet"]
