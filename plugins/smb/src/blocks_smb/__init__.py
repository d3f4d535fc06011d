"""Blocks for SMB shares, such as those of Windows and Samba. The vendor's package comes at its first use."""

from blocks_smb.share import SMB

__all__ = ["SMB"]
