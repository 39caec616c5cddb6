"""The pages that people see: HTML made here, and a little JavaScript that asks for it again when something happens.

A page is whole without JavaScript. What a job has made (names, commands, outputs) is text to a page, never markup.
"""
