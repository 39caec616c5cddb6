# -*- coding: utf-8 -*-
"""Stands in for the clients of simple-job-submit: `python2.7 client.py < REQUESTS`, in the project folder.

For each request, a JSON object a line, it prints as a JSON list the script that it has run on the machine and what came
back. Python 2 prints and escapes the request; the script reaches the machine's shell as it does there through ssh, in
single quotes.
"""
import itertools
import json
import re
import subprocess
import sys

TAKEN = 2
SCRIPT = """\
cd %(root)s;
if ! mkfifo %(port)s; then
    exit %(taken)d
fi
echo %(request)s > %(pipe)s;
cat %(port)s;
rm %(port)s"""


def ask(request):
    for number in itertools.count(1):
        port = '%d.port' % number
        request['port'] = port
        script = SCRIPT % {'root': '.', 'pipe': 'jobs.pipe', 'port': port, 'taken': TAKEN,
                           'request': re.escape(json.dumps(request))}
        process = subprocess.Popen("bash -c '%s'" % script, shell=True, stdout=subprocess.PIPE)
        output = process.communicate()[0]
        if process.returncode != TAKEN:
            return script, output


for line in sys.stdin:
    request = {'type': None, 'git': False, 'make': False}
    request.update(json.loads(line))
    print(json.dumps(ask(request)))
