"""The creator `csv`: a table of images, which stay where they are."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mml_lib.errors import MMLError
from mml_lib.machine.terminal import say, summarized, warn
from mml_lib.pipelines.digests import digest
from mml_lib.task_types import TASK_TYPES
from mml_lib.tasks.creators.columns import ColumnMapping, Columns, Source, cell, overlooked
from mml_lib.tasks.creators.creator_registry import Survey, register_creator
from mml_lib.tasks.creators.delimited import Row, read_rows
from mml_lib.tasks.creators.indicators import CellValue, Indicators, PartialLabels
from mml_lib.tasks.creators.labels import SEPARATOR, check_separator, class_names, parse_label
from mml_lib.tasks.creators.own_data import TableFiles, only_file, sampled_digests, size_of, state_of_targets
from mml_lib.tasks.creators.row_filter import RowFilter, kept_rows
from mml_lib.tasks.creators.shared_images.creator_sharing import Sharing
from mml_lib.tasks.creators.shared_images.table_images import IMAGES_OF_TABLES, TARGET_KEYS
