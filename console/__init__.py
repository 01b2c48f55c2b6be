"""The console: server-rendered pages for operators, physicians, boards and clinics."""
