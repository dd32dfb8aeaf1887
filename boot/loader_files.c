/* SPDX-License-Identifier: MIT */
/* loader_files.c - read \godwit\godwit.cfg and the files that it names from the volume we were started from.
 * The loader looks at the configuration only for file names (`kernel = NAME`, `initrd = NAME`); the kernel parses it properly.
 * Source: UEFI Specification 2.10, 13.5 "File Protocol". */
#include "boot/loader.h"

#include <efi.h>
#include <efilib.h>

#define READ_PIECE (1ul * MIB) /* some firmware fails on very long reads */

static void complain(struct boot_info *info, const char *what, const char *name) {
    if (info->message[0] != '\0')
        return;
    char *out = info->message;
    char *end = info->message + sizeof info->message - 1;
    for (; *what != '\0' && out < end; what++)
        *out++ = *what;
    for (; *name != '\0' && out < end; name++)
        *out++ = *name;
    *out = '\0';
}

/* Read a whole file of \godwit\ into pages of its own and list it; false when it is not there or cannot be read. */
static bool read_file(struct boot_info *info, EFI_FILE *dir, const char *name) {
    CHAR16 wide[BOOT_NAME_LEN];
    UINTN n = 0;
    for (; name[n] != '\0' && n < BOOT_NAME_LEN - 1; n++)
        wide[n] = (CHAR16)(unsigned char)name[n];
    wide[n] = 0;
    EFI_FILE *file;
    if (info->nr_files == BOOT_MAX_FILES || EFI_ERROR(dir->Open(dir, &file, wide, EFI_FILE_MODE_READ, 0)))
        return false;
    EFI_FILE_INFO *meta = LibFileInfo(file);
    bool ok = meta != NULL && (meta->Attribute & EFI_FILE_DIRECTORY) == 0;
    uint64_t size = ok ? meta->FileSize : 0;
    uint8_t *buf = ok ? loader_alloc_pages(size == 0 ? 1 : size) : NULL;
    ok = buf != NULL;
    for (uint64_t got = 0; ok && got < size;) {
        UINTN piece = MIN(size - got, READ_PIECE);
        ok = !EFI_ERROR(file->Read(file, &piece, buf + got)) && piece != 0;
        got += piece;
    }
    file->Close(file);
    if (!ok)
        return false;
    struct boot_file *f = &info->files[info->nr_files++];
    for (UINTN i = 0; i <= n; i++)
        f->name[i] = (char)wide[i];
    f->pa = (hpa_t)buf;
    f->size = size;
    return true;
}

static bool is_listed(const struct boot_info *info, const char *name) {
    for (uint64_t i = 0; i < info->nr_files; i++)
        if (strcmpa((CHAR8 *)info->files[i].name, (CHAR8 *)name) == 0)
            return true;
    return false;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* If the line is `kernel = NAME` or `initrd = NAME`, copy NAME (without quotes and comment). */
static bool named_file(const char *line, const char *end, char name[BOOT_NAME_LEN]) {
    static const char *const keys[] = {"kernel", "initrd"};
    while (line < end && is_blank(*line))
        line++;
    for (size_t k = 0; k < ARRAY_LEN(keys); k++) {
        const char *p = line;
        const char *key = keys[k];
        while (*key != '\0' && p < end && *p == *key)
            p++, key++;
        while (p < end && is_blank(*p))
            p++;
        if (*key != '\0' || p == end || *p++ != '=')
            continue;
        while (p < end && (is_blank(*p) || *p == '"'))
            p++;
        size_t n = 0;
        while (p < end && !is_blank(*p) && *p != '"' && *p != '#' && n < BOOT_NAME_LEN - 1)
            name[n++] = *p++;
        name[n] = '\0';
        return n > 0;
    }
    return false;
}

static void read_named_files(struct boot_info *info, EFI_FILE *dir) {
    const char *text = (const char *)info->files[0].pa;
    const char *end = text + info->files[0].size;
    while (text < end) {
        const char *eol = text;
        while (eol < end && *eol != '\n')
            eol++;
        char name[BOOT_NAME_LEN];
        if (named_file(text, eol, name) && !is_listed(info, name) && !read_file(info, dir, name))
            complain(info, "the configuration names a file that is not readable in \\godwit\\ on the boot volume: ", name);
        text = eol + 1;
    }
}

void files_load(struct boot_info *info) {
    EFI_LOADED_IMAGE *loaded;
    if (EFI_ERROR(BS->HandleProtocol(loader_image, &LoadedImageProtocol, (void **)&loaded)))
        return complain(info, "the firmware does not tell the boot volume", "");
    EFI_FILE *root = LibOpenRoot(loaded->DeviceHandle);
    EFI_FILE *dir;
    if (root == NULL || EFI_ERROR(root->Open(root, &dir, L"\\godwit", EFI_FILE_MODE_READ, 0)))
        return complain(info, "no folder \\godwit on the boot volume; create it and put godwit.cfg into it", "");
    if (read_file(info, dir, "godwit.cfg"))
        read_named_files(info, dir);
    else
        complain(info, "no file \\godwit\\godwit.cfg on the boot volume; the machine starts without a configuration", "");
}
