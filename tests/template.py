# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""
Databases that are made once and copied.

Activating the modules takes half a minute, copying a file a few milliseconds.
A template is kept on disk under a key of all that it is made from, so that the
next run finds it, and a changed line makes a new one.
"""
import datetime as dt
import hashlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from zoneinfo import ZoneInfo

from filelock import FileLock

from trytond.modules import get_module_info, offline_sales

from .process import FOREIGN, Server
from .snippet import dump, load

__all__ = ['MODULE', 'ROOT', 'TEMPLATES', 'Template', 'module_cache']

MODULE = 'offline_sales'
ROOT = Path(offline_sales.__file__).parent
CACHE = Path(
    os.environ.get('OFFLINE_SALES_TEST_CACHE') or ROOT / '.cache' / 'tests')
KEPT = 4
APART = frozenset({
        'tests', 'demo', 'benchmarks', 'doc', 'build', 'dist'})


def _sources(folder):
    for path in sorted(folder.rglob('*')):
        if path.suffix in {
                '.py', '.xml', '.cfg', '.po', '.fodt', '.fods', '.csv'}:
            parts = path.relative_to(folder).parts
            if not any(p.startswith('.') for p in parts):
                yield path, parts


@cache
def fingerprint(folder=ROOT, apart=APART):
    "A hash of the sources below a folder but for the sub-folders set apart"
    digest = hashlib.sha256()
    for path, parts in _sources(folder):
        if parts[0] not in apart and parts != ('setup.py',):
            digest.update('/'.join(parts).encode() + b'\0')
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def _versions():
    return sorted({
            f'{d.name}={d.version}' for d in distributions()
            if d.name and d.name.startswith('trytond')
            and MODULE not in d.name.replace('-', '_')
            }) + [f'python={sys.version_info[:2]}']


def _outdated(paths):
    return sorted(paths, key=lambda path: path.stat().st_mtime)[:-KEPT]


def module_cache():
    "The folder where trytond.tests may keep what it activated"
    folder = CACHE / 'module' / fingerprint()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    folder.touch()
    for old in _outdated(folder.parent.iterdir()):
        shutil.rmtree(old, ignore_errors=True)
    return folder


@dataclass(frozen=True)
class Template:
    """
    name -- of the template
    base -- the name of the template that it starts from
    modules -- what is activated, with its dependencies
    load -- 'module:function' that is called in a transaction
    arguments -- of that function
    sources -- folders whose contents make another template
    """
    name: str
    base: str = None
    modules: tuple = ()
    load: str = None
    arguments: dict = field(default_factory=dict)
    sources: tuple = ()

    def key(self, store):
        parts = [self.name, *self.modules, self.load, self.arguments]
        if self.base:
            parts.append(TEMPLATES[self.base].key(store))
        else:
            parts += [store.backend, store.version, *_versions()]
        if MODULE in self.modules:
            parts.append(fingerprint())
        parts += [fingerprint(folder, ()) for folder in self.sources]
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def file(self, store):
        "The template's file for databases of the store, made if it is not yet"
        CACHE.mkdir(parents=True, exist_ok=True)
        stem = f'{self.name}-{store.backend}'
        file = CACHE / f'{stem}-{self.key(store)}{store.suffix}'
        with FileLock(CACHE / f'{stem}.lock'):
            if not file.exists():
                self._make(store, file)
            file.touch()
            for old in _outdated(CACHE.glob(f'{stem}-*{store.suffix}')):
                old.unlink()
                old.with_suffix('.json').unlink(missing_ok=True)
        return file

    def facts(self, store):
        "What the loader returned"
        file = self.file(store).with_suffix('.json')
        return load(file.read_text()) if self.load else None

    def _make(self, store, file):
        base = TEMPLATES[self.base].file(store) if self.base else None
        with tempfile.TemporaryDirectory() as directory, \
                store.workshop() as workshop:
            server = Server(workshop, workshop.name('template'), directory)
            workshop.create(server.database, base)
            try:
                facts = self._fill(server)
                file.with_suffix('.json').write_text(dump(facts))
                unfinished = file.with_name(f'unfinished-{file.name}')
                workshop.save(server.database, unfinished)
            finally:
                workshop.drop(server.database)
        unfinished.replace(file)

    def _fill(self, server):
        if self.modules:
            server.admin(
                '-u', *self.modules, '--activate-dependencies',
                '-l', 'en', 'es', '--email', 'admin@example.com')
        if self.load:
            return server.run(self.load, **self.arguments)


def _info(option):
    return tuple(get_module_info(MODULE)[option])


TEMPLATES = {template.name: template for template in [
        Template('depends', modules=_info('depends')),
        Template('bare', 'depends', (MODULE,)),
        Template('extras', 'depends', (MODULE, *_info('extras_depend'))),
        Template('selling', 'depends', (MODULE, 'sale_price_list')),
        Template('company', 'selling',
            load='trytond.modules.offline_sales.tests.company:load',
            arguments={
                'products': 30,
                'customers': 10,
                'today': dt.datetime.now(
                    ZoneInfo('America/Mexico_City')).date(),
                },
            sources=(ROOT / 'demo',)),
        Template('foreign', 'company', (
                'offline_sales_foreign', 'account_tax_cash',
                'sale_discount'),
            sources=(FOREIGN,)),
        Template('foreign-bare', 'selling', (
                'offline_sales_foreign', 'account_tax_cash',
                'sale_discount'),
            sources=(FOREIGN,)),
        Template('images', 'company', ('product_image', MODULE)),
        Template('images-bare', 'selling', ('product_image', MODULE)),
        ]}
