"""Numbers into what people look at.

console      the tables at the end of a command
progress     bars, or plain lines, while it works
stored       runs in the compact form that a leaderboard keeps
leaderboard  stored runs -> markdown
"""
