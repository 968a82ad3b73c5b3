#!/bin/sh
# Each public header compiles alone, as C99 and as C++.
for header in include/sandboxcp/*.h include/sandboxcp/sys/*.h; do
	name=${header#include/}
	printf "#include <%s>\ntypedef int something;\n" "$name" | gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -x c - || bad=1
	printf "#include <%s>\ntypedef int something;\n" "$name" | g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -x c++ - || bad=1
done
# The initialisers are valid in both, and what CAPI.md's example writes compiles.
program='#include <sandboxcp/sandboxcp.h>
int main(void) { scp_plane_options o = SCP_PLANE_OPTIONS_INIT; scp_session_spec s = SCP_SESSION_SPEC_INIT;
scp_execution_spec e = SCP_EXECUTION_SPEC_INIT; scp_file_query f = SCP_FILE_QUERY_INIT; s.template_id = "python-basic";
return (int)(o.struct_size + s.struct_size + e.struct_size + f.struct_size) == 0; }'
echo "$program" | gcc -std=c99 -Wall -Wpedantic -Werror -Iinclude -fsyntax-only -x c - || bad=1
echo "$program" | g++ -std=c++11 -Wall -Wpedantic -Werror -Iinclude -fsyntax-only -x c++ - || bad=1
exit ${bad:-0}
