# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"""What moving the rows costs at the least, by plain Python without trytond

The rows that travel in a first fill lie ready in tables of their own in the
schema "bare" of the central's database. One process reads them and answers
with gzipped lines of JSON over HTTP; another parses them and inserts them, in
one transaction, into tables and indexes that are the branch's.

    python -m trytond.modules.offline_sales.benchmarks.bare serve URI
    python -m trytond.modules.offline_sales.benchmarks.bare fetch PORT FILE
"""
import http.client
import json
import sqlite3
import sys
import time
import zlib
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

CHUNK = 500
PIECE = 64 * 1024
TABLES = (
    "SELECT table_name FROM information_schema.tables "
    "WHERE table_schema = 'bare' ORDER BY table_name")


def lines(uri):
    "Yield the tables, the names of their columns and their rows as JSON"
    import psycopg
    with psycopg.connect(uri) as connection:
        for table, in connection.execute(TABLES).fetchall():
            with connection.cursor(name='bare') as cursor:
                cursor.itersize = CHUNK
                cursor.execute(f'SELECT * FROM bare."{table}"')
                yield json.dumps(
                    {table: [c.name for c in cursor.description]}) + '\n'
                while rows := cursor.fetchmany(CHUNK):
                    yield json.dumps(rows, separators=(',', ':')) + '\n'


def serve(uri):
    "Serve the rows, and print the port"
    class Handler(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def do_GET(self):
            self.send_response(200)
            self.send_header('Transfer-Encoding', 'chunked')
            self.end_headers()
            compressor = zlib.compressobj(level=1, wbits=31)
            for line in lines(uri):
                self.send(compressor.compress(line.encode()))
            self.send(compressor.flush())
            self.wfile.write(b'0\r\n\r\n')

        def send(self, data):
            if data:
                self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))

        def log_message(self, *args):
            pass

    server = HTTPServer(('127.0.0.1', 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def received(port):
    "Yield the lines of what is served at the port"
    connection = http.client.HTTPConnection('127.0.0.1', port)
    connection.request('GET', '/')
    response = connection.getresponse()
    inflater = zlib.decompressobj(wbits=31)
    rest = b''
    while data := response.read1(PIECE):
        *complete, rest = (rest + inflater.decompress(data)).split(b'\n')
        yield from complete


def fetch(port, file):
    "Insert what is served into the tables of the file; print the seconds"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute('PRAGMA journal_mode = WAL')
        connection.execute('PRAGMA synchronous = NORMAL')
        start = time.perf_counter()
        connection.execute('BEGIN IMMEDIATE')
        count = 0
        for line in received(port):
            rows = json.loads(line)
            if isinstance(rows, dict):
                (table, columns), = rows.items()
                names = ', '.join(f'"{c}"' for c in columns)
                insert = (
                    f'INSERT INTO "{table}" ({names}) '
                    f'VALUES ({", ".join("?" * len(columns))})')
                # What the modules have put there has ids of its own
                connection.execute(f'DELETE FROM "{table}"')
            else:
                connection.executemany(insert, rows)
                count += len(rows)
        connection.execute('COMMIT')
        print(json.dumps([time.perf_counter() - start, count]))


if __name__ == '__main__':
    if sys.argv[1] == 'serve':
        serve(sys.argv[2])
    else:
        fetch(int(sys.argv[2]), sys.argv[3])
