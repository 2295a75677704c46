/*
 * The unwinder of Debian's GCC finds the code that it unwinds through _dl_find_object(), which glibc has, and musl has not.
 * This is the same by what both have.
 */
#define _GNU_SOURCE
#include <link.h>

struct dl_find_object {
  unsigned long long flags;
  void *map_start;
  void *map_end;
  struct link_map *link_map;
  void *eh_frame;
  unsigned long long reserved[7];
};

struct search {
  ElfW(Addr) address;
  struct dl_find_object *found;
};

static int look(struct dl_phdr_info *object, size_t size, void *data) {
  struct search *search = data;
  ElfW(Addr) begin = 0, end = 0, eh_frame = 0;
  int i, is_it = 0;
  (void)size;
  for (i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &object->dlpi_phdr[i];
    ElfW(Addr) from = object->dlpi_addr + part->p_vaddr, to = from + part->p_memsz;
    if (part->p_type == PT_GNU_EH_FRAME) eh_frame = from;
    if (part->p_type != PT_LOAD) continue;
    if (!begin || from < begin) begin = from;
    if (to > end) end = to;
    if (from <= search->address && search->address < to) is_it = 1;
  }
  if (!is_it || !eh_frame) return 0;
  search->found->flags = 0;
  search->found->map_start = (void *)begin;
  search->found->map_end = (void *)end;
  search->found->link_map = 0;
  search->found->eh_frame = (void *)eh_frame;
  return 1;
}

int _dl_find_object(void *address, struct dl_find_object *found);
int _dl_find_object(void *address, struct dl_find_object *found) {
  struct search search = {(ElfW(Addr))address, found};
  return dl_iterate_phdr(look, &search) ? 0 : -1;
}
