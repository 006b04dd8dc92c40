"""Settings of nbgrader for the problem sets; ``python -m grading`` uses them, and so does nbgrader started here."""

c = get_config()  # noqa: F821  (given by the loader)

c.CourseDirectory.course_id = "alexnet-edu"

# "..." stands for an answer that is missing: the checks say so, and the cells that follow still run.
c.ClearSolutions.code_stub = {"python": "# YOUR CODE HERE\n..."}
c.ClearSolutions.text_stub = "YOUR ANSWER HERE"
