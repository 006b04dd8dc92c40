"""Settings of nbgrader for the problem sets; ``tools/assignments.py`` uses them, and so does nbgrader started here."""

c = get_config()  # noqa: F821  (given by the loader)

c.CourseDirectory.course_id = "alexnet-edu"

# "..." stands for an answer that is missing: the checks say so, and the cells that follow still run.
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\n..."}
c.ClearSolutions.text_stub = "YOUR ANSWER HERE"

c.Execute.timeout = 60  # seconds a cell
c.Execute.iopub_timeout = 10  # seconds for what a cell printed to arrive, after its end or its interruption
TOO_LONG = "this cell took too long and was stopped. Is there an endless loop in the answer?"
c.Execute.error_on_timeout = {"ename": "CellTimeoutError", "evalue": TOO_LONG, "traceback": [TOO_LONG]}
c.OverwriteCells.add_missing_cells = True
c.LimitOutput.max_lines = 200
c.LimitOutput.max_traceback = 30

# Feedback shows what a test found and not its hidden part; leave this out to show both.
c.GenerateFeedback.preprocessors = [
    "nbgrader.preprocessors.GetGrades",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
]
