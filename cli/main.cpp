// The program `retrograde`: one file a sub-command.

int main() { return 0; }
