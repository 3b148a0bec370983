# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""Measure: make bench, or make bench ONLY=catalogs

Prints a table and writes benchmarks/latest.json.
"""
import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from trytond.modules.offline_sales.tests.store import Cluster

from . import catalogs, documents, journal
from .report import Report


def measure_catalogs(report, directory, arguments):
    first = catalogs.run(report, directory, arguments.size, arguments.runs)
    if arguments.double:
        catalogs.run_double(report, directory, first, arguments.size)


def measure_documents(report, directory, arguments):
    documents.run(report, directory, arguments.tickets)


def measure_journal(report, directory, arguments):
    journal.run(report, directory)


PARTS = {
    'catalogs': measure_catalogs,
    'documents': measure_documents,
    'journal': measure_journal,
    }


def main():
    parser = argparse.ArgumentParser(prog='make bench', description=__doc__)
    parser.add_argument('only', nargs='*', choices=[[], *PARTS],
        metavar='PART', help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument('--size', type=int, default=100_000,
        help="products, and customers")
    parser.add_argument('--runs', type=int, default=5,
        help="of which the median is taken")
    parser.add_argument('--no-double', dest='double', action='store_false',
        help="leave out the memory with twice as many")
    parser.add_argument('--tickets', type=int, default=1000,
        help="that a branch sends")
    parser.add_argument('--file', type=Path,
        default=Path(__file__).parent / 'latest.json')
    arguments = parser.parse_args()
    report = Report(arguments.file)
    directory = tempfile.mkdtemp(prefix='offline-sales-bench-')
    try:
        for part in arguments.only or PARTS:
            PARTS[part](report, directory, arguments)
    finally:
        Cluster.stop(directory)
        shutil.rmtree(directory, ignore_errors=True)
    print(f"\n{report.table()}")


if __name__ == '__main__':
    sys.exit(main())
