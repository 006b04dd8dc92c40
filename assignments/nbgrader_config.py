"""Settings of nbgrader for the problem sets; ``tools/assignments.py`` uses them, and so does nbgrader started here."""

from traitlets.config import get_config

c = get_config()

c.CourseDirectory.course_id = "alexnet-edu"

# "..." stands for an answer that is missing: the checks say so, and the cells that follow still run.
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\n..."}
c.ClearSolutions.text_stub = "YOUR ANSWER HERE"

c.Execute.timeout = 60  # seconds a cell
c.Execute.error_on_timeout = {
    "ename": "CellTimeoutError",
    "evalue": "",
    "traceback": ["CellTimeoutError: this cell took too long and was stopped. Is there an endless loop in the answer?"],
}
c.OverwriteCells.add_missing_cells = True
c.LimitOutput.max_lines = 200
c.LimitOutput.max_traceback = 30
