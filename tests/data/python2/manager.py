# -*- coding: utf-8 -*-
"""Stands in for a manager of simple-job-submit: `python2.7 manager.py old|new MAX TAPE`, in its project folder.

What depends on Python 2 is as it is there: the pipe is opened, read to its end and closed again and again by one thread,
another answers by opening the reply pipe, and `str` and `json` print. Unlike there, a job is started before the answer,
so that answers do not depend on the moment. TAPE gets each request and its reply, a line each.
"""
import json
import os
import Queue
import subprocess
import sys
import threading

PIPE = 'jobs.pipe'


class Manager(object):
    def __init__(self, maximum):
        self.lock = threading.Lock()
        self.maximum = maximum
        self.running = []
        self.queue = []
        self.next_id = 0

    def answer(self, command):
        with self.lock:
            reply = self.handlers.get(command['type'], Manager.unknown)(self, command)
            self.advance()
            return reply

    def submit(self, command):
        number = self.next_id
        self.next_id += 1
        self.queue.append((number, command))
        return {'code': 0, 'status': 'OK', 'job_id': number, 'message': 'job submitted successfully'}

    def configure(self, command):
        old, self.maximum = self.maximum, command['max_jobs']
        return {'code': 0, 'status': 'OK', 'old_max_jobs_running': old, 'new_max_jobs_running': self.maximum,
                'message': 'configuration successful'}

    def unknown(self, command):
        return {'code': 1, 'status': 'error', 'message': 'unknown command'}

    def advance(self):
        while self.queue and len(self.running) < self.maximum:
            self.begin(self.queue.pop(0))

    def begin(self, job):
        self.running.append(job)
        process = subprocess.Popen(job[1]['run'], shell=True)
        threading.Thread(target=self.end, args=(job, process)).start()

    def end(self, job, process):
        process.wait()
        with self.lock:
            self.running.remove(job)
            self.advance()


class Old(Manager):
    """The queue is shown as the requests that brought it, and the next job to start is in nobody's count."""

    held = None

    def status(self, command):
        return {'code': 0, 'status': 'OK', 'jobs_running': len(self.running),
                'jobs_queued': str([request for _, request in self.queue]), 'max_jobs_running': self.maximum}

    def advance(self):
        while True:
            if self.held is None and self.queue:
                self.held = self.queue.pop(0)
            if self.held is None or len(self.running) >= self.maximum:
                return
            job, self.held = self.held, None
            self.begin(job)

    handlers = {'job': Manager.submit, 'status': status, 'configure': Manager.configure}


class New(Manager):
    def stat(self, command):
        return {'code': 0, 'status': 'OK', 'jobs_running': self.named(self.running),
                'num_jobs_running': len(self.running), 'num_jobs_queued': len(self.queue),
                'jobs_queued': str(self.named(self.queue)), 'max_jobs_running': self.maximum}

    @staticmethod
    def named(jobs):
        return [{'job': request['run'], 'job_id': number} for number, request in jobs]

    handlers = {'submit_job': Manager.submit, 'stat': stat, 'configure': Manager.configure}


def answer_forever(manager, lines, tape):
    while True:
        line = lines.get()
        command = json.loads(line)
        reply = json.dumps(manager.answer(command))
        tape.write(line + '\n' + reply + '\n')
        tape.flush()
        with open(command['port'], 'w') as port:
            port.write(reply)


def main(dialect, maximum, tape):
    lines = Queue.Queue()
    manager = {'old': Old, 'new': New}[dialect](int(maximum))
    answering = threading.Thread(target=answer_forever, args=(manager, lines, open(tape, 'w')))
    answering.daemon = True
    answering.start()
    os.mkfifo(PIPE)
    while True:
        with open(PIPE) as door:
            for line in door.read().split('\n'):
                if line:
                    lines.put(line)


if __name__ == '__main__':
    main(*sys.argv[1:])
