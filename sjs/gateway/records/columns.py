"""The types that columns have, the same in the tables and in all of their history: what stands here does not change."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, String, Text
from sqlalchemy.dialects import mysql

ID = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up by itself in columns of this type alone."""

NAME = String(255).with_variant(mysql.VARCHAR(255, collation="utf8mb4_bin"), "mysql", "mariadb")
"""Compared byte by byte, whatever the database's own habit is."""

LONG = Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), "mysql", "mariadb")

BYTES = LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")

MYSQL: dict[str, Any] = {"mysql_charset": "utf8mb4", "mysql_engine": "InnoDB"}
