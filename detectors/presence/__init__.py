"""What is there at all: which things the attached evidence can stand for, how much of them there is, and whether any of it can be read."""
